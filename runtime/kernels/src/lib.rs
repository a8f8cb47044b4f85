//! From a device's share to something that runs.
