"""`GET /profile/me` as most people write it: the honest reference."""
