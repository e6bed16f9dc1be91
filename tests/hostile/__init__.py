"""Files that were made to hurt a decoder, and what it is asked to make of them."""
