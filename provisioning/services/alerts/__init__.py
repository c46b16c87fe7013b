"""What is wrong or waits for somebody: found, kept while it lasts, told to whoever asked for it."""
