"""The words every other room uses: VIN, units, signals, frames, fault codes, triggers, errors."""
