"""Messages received, to be sent and refused, and the participants of the network (screen C10)."""
