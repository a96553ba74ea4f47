"""The properties that every sound optimizer has, one small check each."""
