"""The audit: is every quadruple what its manifest says?"""
