"""The judgement of after-sales engineers, as data, and the engine that runs it. Pure."""
