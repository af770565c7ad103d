"""The pictures of people: taken as files, made anew, kept in a folder or a bucket, shown to everybody."""
