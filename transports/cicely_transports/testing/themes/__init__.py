"""The themes of the conformance kit, one file each; a theme can be run on its own."""
