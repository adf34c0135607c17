"""Who is it? Tokens, the principal of an HTTP request, sign-outs."""
