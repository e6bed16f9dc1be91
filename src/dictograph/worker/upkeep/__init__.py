"""The agents that remove what was kept long enough, and watch whose the storage is."""
