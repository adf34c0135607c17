"""The client protocol of the Centrifuge SDKs, sans I/O."""
