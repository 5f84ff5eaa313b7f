"""Results -> the rows that a history keeps of them, and the commit that they are of."""
