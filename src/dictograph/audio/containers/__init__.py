"""The containers that hold audio: which are accepted, and what FFmpeg does not say of them."""
