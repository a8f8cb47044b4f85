//! Typed indices: a `DeviceId` can't be used where a `NodeId` is meant.

/// Declares a newtype index over `u32` with conversions to and from `usize`.
#[macro_export]
macro_rules! declare_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The id of the element at `index`; tables here stay far below 2³² elements.
            #[must_use]
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("tables are bounded far below 2^32 elements"))
            }

            /// The position in the table that this id indexes.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}
