//! Bodies of the HTTP signalling, ICE server lists and URLs.
//! It sends nothing.
