//! Every limit of the wire, in one place, each with its reason.

/// The size of a frame's header.
pub const HEADER_BYTES: usize = 24;

/// The most body bytes in one frame; a longer message travels in several. Small enough that a large message
/// holds up others on the same connection for well under a millisecond.
pub const MAX_FRAME_BODY_BYTES: usize = 256 * 1024;

/// The longest message, all its frames together. A receiver reserves memory as the bytes come, never by announcement.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024 * 1024;

/// The most bytes of a user's value in one message: what travels around it has room beside.
pub const MAX_VALUE_BYTES: usize = MAX_MESSAGE_BYTES - MAX_FRAME_BODY_BYTES;

/// The most descriptors that one message carries; most systems allow a process 1,024.
pub const MAX_FRAME_DESCRIPTORS: usize = 1024;

/// The most messages of one connection that may have come in part. A sender finishes one per destination
/// before it begins the next, so this bounds destinations.
pub const MAX_UNFINISHED_MESSAGES: usize = 64;

/// The size that a connection's read buffer comes to: what one read brings at full rate. It starts with 4 KiB.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// How deep values may be nested in a body: deeper ones would overflow the stack of who decodes them.
pub const MAX_BODY_DEPTH: usize = 128;

/// How many questions of one node may wait at one owner, and how many of its look-ups for names. Each is a thread's, or one of a set that
/// a thread waits for, and takes some hundred bytes there; a process has not so many threads.
pub const MAX_WAITING_PER_NODE: usize = 65_536;

/// How many names one node may have given to its objects, or keep for others. An object costs its node more memory than its name costs the
/// root.
pub const MAX_NAMES_PER_NODE: usize = 1 << 20;

/// The most bytes of these names and of the names of their types, all together: what they cost the root.
pub const MAX_NAMES_BYTES_PER_NODE: usize = 256 * 1024 * 1024;

/// The longest name of an object's type. Those of generic types hold the names of what they hold, and come to some hundred bytes.
pub const MAX_TYPE_NAME_BYTES: usize = 64 * 1024;

/// How many ends of others one node may be waiting to hear of from another. Whoever watches many actors of a node that ends asks for
/// each at once; one takes some tens of bytes.
pub const MAX_AWAITED_ENDS_PER_NODE: usize = 1 << 20;
