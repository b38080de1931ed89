"""The client: conversations that are really sent, through the `anthropic` SDK, which only this package imports."""
