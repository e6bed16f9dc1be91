"""Parts of the application that are made only where the settings ask for them."""
