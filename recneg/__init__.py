"""recneg."""
