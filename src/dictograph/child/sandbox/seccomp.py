"""Which system calls a child may make.

A sealed child gets a list of what it may: once Python and the libraries are loaded, decoding and listening read and
write open descriptors, take memory, wait, and end. All else fails: with EACCES where a path is named, so that Python
takes it as a file that it may not read; with EPERM what a thief would call; with ENOSYS what is left, so that a newer
C library than we know falls back to a call of the list. It was tried on Python 3.11 with glibc 2.36.
A call that is missing shows as an error with its name, never as a hang.

Another child loads libraries that nobody listed the calls of. It gets a list of what it must not: what looks into
other processes, changes mounts, namespaces, kernel or clock, or has a history of breaking out.

Memory that a sealed child asks for is never executable, so that what it is tricked into must be made of code that is
there; and never shared, so that the limit on it counts all. Nothing is reserved on the disk: what fallocate(2) keeps
beyond a file's end, no limit on the size of files counts. No thread is started, since nothing limits those of one
process: what it needs of them runs already. Calls in the i386 or x32 way, which have other numbers, end the process
(SIGSYS).
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import sys

from dictograph.child.sandbox.bpf import ALLOW, Only, Rule, program, refused
from dictograph.child.sandbox.kernel import syscall
from dictograph.child.sandbox.syscalls import numbers

_ALLOWED = """
    read write readv writev pread64 pwrite64 preadv pwritev lseek close fstat fsync fdatasync ftruncate
    fadvise64 dup dup2 dup3 poll ppoll select pselect6 munmap mremap madvise brk membarrier futex
    futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield sched_getaffinity getcpu
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait sigaltstack restart_syscall getpid
    gettid getppid getuid geteuid getgid getegid uname sysinfo getrusage times getrandom clock_gettime
    clock_getres clock_nanosleep nanosleep gettimeofday time setitimer exit exit_group
"""

_BY_PATH = """
    open openat openat2 creat stat lstat access faccessat faccessat2 readlink readlinkat getdents getdents64
    getcwd chdir fchdir mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink
    symlinkat mknod mknodat truncate chmod fchmod fchmodat chown lchown fchown fchownat utimensat statfs
    inotify_add_watch
"""

_THIEVISH = """
    socket socketpair connect bind listen accept accept4 sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg
    execve execveat clone fork vfork tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_send_signal setuid
    setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset setrlimit memfd_create
    memfd_secret shmget shmat shmctl msgget semget mq_open sched_setaffinity sched_setscheduler setpriority
    fallocate
"""

_NEVER = """
    ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp mount umount2 pivot_root
    move_mount fsopen fsconfig fsmount fspick open_tree mount_setattr setns unshare chroot bpf perf_event_open
    io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key kexec_load
    kexec_file_load init_module finit_module delete_module open_by_handle_at name_to_handle_at reboot swapon
    swapoff quotactl acct settimeofday clock_settime adjtimex clock_adjtime iopl ioperm modify_ldt syslog
    sethostname setdomainname fanotify_init vhangup
"""

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PROCESSOR = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
#: x32: 64-bit calls with 32-bit pointers, told by this bit of the number.
_FOREIGN_FROM = {"x86_64": 0x40000000, "aarch64": None}

_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_CLONE_NEWUSER = 0x10000000
_AT_EMPTY_PATH = 0x1000
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41
_TCGETS, _FIONCLEX, _FIOCLEX = 0x5401, 0x5450, 0x5451
_F_DUPFD_TO_SETFL, _F_DUPFD_CLOEXEC = range(5), 1030


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def seal() -> None:
    """Let this process, with all its threads, call only what a sealed child needs. Raises OSError."""
    machine = _machine()
    rules: dict[str, Rule] = dict.fromkeys(_ALLOWED.split(), ALLOW)
    rules |= dict.fromkeys(_BY_PATH.split(), refused(errno.EACCES))
    rules |= dict.fromkeys([*_THIEVISH.split(), *_NEVER.split()], refused(errno.EPERM))
    _install(machine, rules | _conditions(os.getpid()), rest=refused(errno.ENOSYS))


def forbid() -> None:
    """Forbid this process, and what it starts, the calls that no child needs. Raises OSError."""
    rules: dict[str, Rule] = dict.fromkeys(_NEVER.split(), refused(errno.EPERM))
    rules["clone"] = (Only(0, [0], mask=_CLONE_NEWUSER),)
    rules["clone3"] = refused(errno.ENOSYS)  # its flags cannot be seen; the C library then uses clone
    _install(_machine(), rules, rest=ALLOW)


def _conditions(own: int) -> dict[str, Rule]:
    not_executable = Only(2, [0], mask=mmap.PROT_EXEC)
    own_process = (Only(0, [own]),)
    return {
        "mmap": (not_executable, Only(3, [0], mask=mmap.MAP_SHARED)),
        "mprotect": (not_executable,),
        "kill": own_process,
        "tgkill": own_process,
        "prctl": (Only(0, [_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA]),),
        "ioctl": (Only(1, [_TCGETS, _FIONCLEX, _FIOCLEX], otherwise=errno.ENOTTY),),
        "fcntl": (Only(1, [*_F_DUPFD_TO_SETFL, _F_DUPFD_CLOEXEC]),),
        "prlimit64": (Only(0, [0]),),
        # What fstat() is in glibc 2.33 to 2.38. The path that goes with the flag cannot be seen here.
        "newfstatat": (Only(3, [_AT_EMPTY_PATH], mask=_AT_EMPTY_PATH, otherwise=errno.EACCES),),
    }


def _install(machine: str, rules: dict[str, Rule], *, rest: int) -> None:
    known = numbers(machine)
    listed = [(known[name], rule) for name, rule in rules.items() if name in known]
    code = program(_PROCESSOR[machine], _FOREIGN_FROM[machine], listed, rest)
    filter = _Program(len(code) // 8, code)
    # The number of a thread is the answer when that one has a filter of its own, and then nobody gets this one.
    if syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(filter)):
        raise OSError(errno.ESRCH, "a thread has another filter")


def _machine() -> str:
    machine = platform.machine()
    if machine not in _PROCESSOR or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"the filter is not written for this kind of processor ({machine})")
    return machine
