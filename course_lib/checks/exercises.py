def grade(): pass
