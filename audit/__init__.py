"""The floor: the clock, and the journal that can only grow. Imports nobody."""
