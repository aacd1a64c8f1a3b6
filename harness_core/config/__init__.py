"""services.yaml: gathered (bundle), loaded with positions, interpolated, checked, and turned into frozen values."""
