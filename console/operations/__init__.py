"""What is about to go wrong: keys, lists, queues, agencies."""
