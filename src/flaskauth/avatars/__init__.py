"""Avatars: uploads are converted to WebP and stored in a folder or an S3 bucket."""
