"""In which order clips come, from which domain, and where a method starts anew."""
