"""Sessions and refresh tokens, recognised devices, and the decorators that authenticate routes."""
