"""The system calls that a child may make.

A sealed child gets a list of allowed calls. Once Python and the libraries are loaded, decoding and speech detection
read and write open descriptors, take memory, wait, and end. All other calls fail: with EACCES if the call names a path,
so that Python treats it as an unreadable file; with EPERM if an attacker would use it; with ENOSYS in all other cases,
so that a newer C library falls back to a call of the list. The list was tested on Python 3.11 with glibc 2.36.
A call that is missing in the list shows as an error with its name, never as a hang.

Any other child loads libraries whose calls are not listed. It gets a list of forbidden calls: those that read other
processes, change mounts, namespaces, kernel or clock, or have a history of sandbox escapes.

Memory that a sealed child requests is never executable, so an attack can only reuse existing code. It is never shared,
so the memory limit counts all of it. The child reserves no disk space: no limit on file sizes counts what fallocate(2)
reserves beyond a file's end. It starts no thread, since no limit covers the threads of one process; the threads that it
needs run already. Calls in the i386 or x32 way, which have other numbers, end the process (SIGSYS).
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
#: x32: 64-bit calls with 32-bit pointers, marked by this bit of the number.
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
    """Restrict this process, with all its threads, to the calls that a sealed child needs. Raises OSError."""
    machine = _machine()
    rules: dict[str, Rule] = dict.fromkeys(_ALLOWED.split(), ALLOW)
    rules |= dict.fromkeys(_BY_PATH.split(), refused(errno.EACCES))
    rules |= dict.fromkeys([*_THIEVISH.split(), *_NEVER.split()], refused(errno.EPERM))
    _install(machine, rules | _conditions(os.getpid()), rest=refused(errno.ENOSYS))


def forbid() -> None:
    """Forbid this process, and the processes that it starts, the calls that no child needs. Raises OSError."""
    rules: dict[str, Rule] = dict.fromkeys(_NEVER.split(), refused(errno.EPERM))
    rules["clone"] = (Only(0, [0], mask=_CLONE_NEWUSER),)
    rules["clone3"] = refused(errno.ENOSYS)  # the filter cannot see its flags; the C library then uses clone
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
        # fstat() of glibc 2.33 to 2.38. The filter cannot see the path that belongs to the flag.
        "newfstatat": (Only(3, [_AT_EMPTY_PATH], mask=_AT_EMPTY_PATH, otherwise=errno.EACCES),),
    }


def _install(machine: str, rules: dict[str, Rule], *, rest: int) -> None:
    known = numbers(machine)
    listed = [(known[name], rule) for name, rule in rules.items() if name in known]
    code = program(_PROCESSOR[machine], _FOREIGN_FROM[machine], listed, rest)
    filter = _Program(len(code) // 8, code)
    # The answer is a thread's id if that thread has a different filter; then no thread gets this one.
    if syscall(_SECCOMP[machine], _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(filter)):
        raise OSError(errno.ESRCH, "a thread has another filter")


def _machine() -> str:
    machine = platform.machine()
    if machine not in _PROCESSOR or sys.maxsize < 2**32 or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"the filter is not written for this kind of processor ({machine})")
    return machine
