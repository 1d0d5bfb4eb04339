//! The handles of objects in shared memory, as far as they are the same: a macro, as each is a type of its own with public documentation.

/// What handles of such objects have in common: they are created with options and by name, cloned, printed, and travel as values.
/// The handle has the fields `face`, and `fault`, why it could not be made.
macro_rules! memory_object {
    ($name:ident $(<$of:ident: $bound:path>)?, $shape:ty, $options:ty) => {
        impl$(<$of: $bound>)? $crate::names::sealed::Sealed for $name$(<$of>)? {}

        impl$(<$of: $bound>)? $crate::names::Object for $name$(<$of>)? {
            type Options = $options;

            fn build(node: &$crate::Node, options: $options) -> Self {
                Self::anonymous(node, options).unwrap_or_else(|fault| {
                    // Nobody is there.
                    let nowhere = callboard_core::Address { node: node.id(), slot: Default::default() };
                    Self { fault: Some(fault), ..<Self as $crate::names::Object>::at(node, nowhere) }
                })
            }

            fn build_named(
                node: &$crate::Node,
                name: &str,
                options: $options,
            ) -> Result<Self, $crate::names::Unbuilt> {
                let object = Self::anonymous(node, options).map_err(|error| {
                    let (name, reason) = (name.to_owned(), error.to_string());
                    $crate::names::Unbuilt::Failed($crate::NameError::NotMade { name, reason })
                })?;
                $crate::names::register(node, name, object)
            }

            fn at(node: &$crate::Node, address: callboard_core::Address) -> Self {
                let handle = $crate::protocol::object::Handle::at(node.runtime(), address);
                Self::of($crate::protocol::shared::Face::of(&handle))
            }

            fn address(&self) -> callboard_core::Address {
                self.face.address()
            }

            fn type_name() -> String {
                Self::name_of_type()
            }

            fn discard(self, _: &$crate::Node) {
                self.face.handle().discard();
            }
        }

        impl$(<$of: $bound>)? $name$(<$of>)? {
            fn of(face: std::sync::Arc<$crate::protocol::shared::Face<$shape>>) -> Self {
                Self { face, fault: None, $(of: std::marker::PhantomData::<fn() -> $of>)? }
            }

            /// Creates one without a name; hand it on as a value.
            ///
            /// [`Node::anonymous`](crate::Node::anonymous) does so too, for code that is generic over objects: as it returns no error,
            /// every verb of one that could not be made does.
            ///
            /// # Errors
            ///
            /// [`LockError::System`](crate::LockError::System): the system has no memory, descriptor or mapping left.
            pub fn anonymous(node: &$crate::Node, options: $options) -> Result<Self, $crate::LockError> {
                let owner = $crate::protocol::shared::SharedOwner::<$shape>::make(node.runtime(), options.into())?;
                let handle = $crate::protocol::object::Handle::create(node.runtime(), owner);
                Ok(Self::of($crate::protocol::shared::Face::of(&handle)))
            }

            /// Ends it, for everybody in whatever process: who waits, and who comes, is told
            /// [`LockError::Disconnected`](crate::LockError::Disconnected). Its memory goes when nobody has it mapped any more; that of a small one, when its owner's node ends. Its name stays taken
            /// until then too.
            ///
            /// # Errors
            ///
            /// [`LockError`](crate::LockError). One that has ended is no error.
            pub fn close(&self) -> Result<(), $crate::LockError> {
                match &self.fault {
                    None => self.face.close(),
                    Some(fault) => Err(fault.clone()),
                }
            }

            /// The object, attached.
            #[inline]
            fn attached(&self) -> Result<&$crate::protocol::shared::Attached<$shape>, $crate::LockError> {
                match &self.fault {
                    None => self.face.attached(),
                    Some(fault) => Err(fault.clone()),
                }
            }

            /// The object, attached by `deadline`.
            fn attached_by(
                &self,
                deadline: Option<std::time::Instant>,
            ) -> Result<&$crate::protocol::shared::Attached<$shape>, $crate::LockError> {
                match &self.fault {
                    None => self.face.attached_by(deadline),
                    Some(fault) => Err(fault.clone()),
                }
            }
        }

        impl$(<$of: $bound>)? Clone for $name$(<$of>)? {
            fn clone(&self) -> Self {
                Self { fault: self.fault.clone(), ..Self::of(std::sync::Arc::clone(&self.face)) }
            }
        }

        impl$(<$of: $bound>)? std::fmt::Debug for $name$(<$of>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let name = Self::name_of_type();
                match &self.fault {
                    Some(fault) => write!(f, "{name}(not made: {fault})"),
                    None => write!(f, "{name}({})", self.face.address()),
                }
            }
        }

        impl$(<$of: $bound>)? serde::Serialize for $name$(<$of>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match &self.fault {
                    Some(fault) => Err(serde::ser::Error::custom(format!("an object that was not made: {fault}"))),
                    None => $crate::protocol::travel::serialize::<Self, S>(self.face.address(), serializer),
                }
            }
        }

        impl<'de $(, $of: $bound)?> serde::Deserialize<'de> for $name$(<$of>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (runtime, address) = $crate::protocol::travel::deserialize::<Self, D>(deserializer)?;
                let handle = $crate::protocol::object::Handle::at(&runtime, address);
                Ok(Self::of($crate::protocol::shared::Face::of(&handle)))
            }
        }
    };
}
pub(crate) use memory_object;
