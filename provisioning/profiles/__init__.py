"""Client profiles: documents that make a client register; renderers see plain values only."""
