"""What counts as audio: the formats, the demuxers and the decoders that may run.

FFmpeg's demuxers that open further files or URLs (playlists, SDP, concat, image sequences, DASH …) are not on the
list. A playlist under another name is still recognized as a playlist: FFmpeg goes by content, and does not even get the
name of the file.
"""

from __future__ import annotations

from collections.abc import Mapping

#: What is accepted, for people, and FFmpeg's names of the demuxers that may open it. Each reads one file from front to
#: back, and none needs a second file.
AUDIO_FORMATS: Mapping[str, tuple[str, ...]] = {
    "MP3, MP2": ("mp3",),
    "WAV, W64": ("wav", "w64"),
    "FLAC": ("flac",),
    "AAC, M4A": ("aac", "loas", "mov"),
    "Ogg (Vorbis, Opus, Speex, FLAC)": ("ogg",),
    "WMA": ("asf",),
    "AMR": ("amr",),
    "GSM": ("gsm",),
    "AIFF": ("aiff",),
    "CAF": ("caf",),
    "AU": ("au",),
    "VOC": ("voc",),
    "DSS": ("dss",),
    "WavPack": ("wv",),
    "TTA": ("tta",),
    "AC-3, E-AC-3": ("ac3", "eac3"),
    "DTS": ("dts", "dtshd"),
}
VIDEO_FORMATS: Mapping[str, tuple[str, ...]] = {
    "MP4, MOV, 3GP": ("mov",),
    "MKV, WebM": ("matroska",),
    "MPEG program and transport streams": ("mpeg", "mpegts"),
    "WMV/ASF": ("asf",),
    "AVI": ("avi",),
    "FLV": ("flv",),
    "MXF": ("mxf",),
}
DEMUXERS = frozenset(name for formats in (AUDIO_FORMATS, VIDEO_FORMATS) for names in formats.values() for name in names)

#: The end of a message that refuses a file.
ACCEPTED = f"Accepted are {', '.join(AUDIO_FORMATS)}; of video {', '.join(VIDEO_FORMATS)}."

#: FFmpeg's names of the decoders that may run. Audio only: pictures are never decoded.
DECODERS = frozenset(
    [
        *("aac", "aac_latm", "aac_fixed", "ac3", "ac3_fixed", "eac3", "alac", "als", "amrnb", "amrwb"),
        *("libopencore_amrnb", "libopencore_amrwb", "dca", "flac", "mp1", "mp1float", "mp2", "mp2float", "mp3"),
        *("mp3float", "mp3adu", "mp3adufloat", "mp3on4", "mp3on4float", "mlp", "truehd", "opus", "libopus"),
        *("vorbis", "libvorbis", "speex", "libspeex", "gsm", "gsm_ms", "libgsm", "libgsm_ms", "ilbc"),
        *("libilbc", "truespeech", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "mace3", "mace6"),
        *("qdm2", "qdmc", "qcelp", "evrc", "nellymoser", "tta", "wavpack", "adpcm_ms", "adpcm_ima_wav"),
        *("adpcm_ima_qt", "adpcm_yamaha", "adpcm_swf", "adpcm_g722", "g722", "adpcm_g726", "g726", "g726le"),
        *("adpcm_g726le", "g723_1", "g729", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_lxf"),
        *("adpcm_sbpro_2", "adpcm_sbpro_3", "adpcm_sbpro_4", "dss_sp"),
        *("pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_u16le", "pcm_u16be", "pcm_s16le_planar"),
        *("pcm_s16be_planar", "pcm_s24le", "pcm_s24be", "pcm_u24le", "pcm_u24be", "pcm_s24le_planar"),
        *("pcm_s32le", "pcm_s32be", "pcm_u32le", "pcm_u32be", "pcm_s32le_planar", "pcm_s64le", "pcm_s64be"),
        *("pcm_f16le", "pcm_f24le", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
    ]
)
