//! Planes: how pixels lie in memory, and slices over them.
//! Not who owns the memory: that is `Frame`.

/// How pixels are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PixelFormat {
    /// Three planes: luma, and two chroma planes of half width and half height (rounded up).
    I420,
    /// One plane of blue, green, red bytes, as OpenCV has it.
    Bgr,
}

impl PixelFormat {
    /// Number of planes.
    pub fn planes(self) -> usize {
        match self {
            PixelFormat::I420 => 3,
            PixelFormat::Bgr => 1,
        }
    }

    /// Bytes per row and rows of one plane of a picture.
    pub(super) fn plane_size(self, plane: usize, width: u32, height: u32) -> (usize, usize) {
        let (width, height) = (width as usize, height as usize);
        match (self, plane) {
            (PixelFormat::Bgr, _) => (width * 3, height),
            (PixelFormat::I420, 0) => (width, height),
            (PixelFormat::I420, _) => (width.div_ceil(2), height.div_ceil(2)),
        }
    }
}

/// One plane, read-only. `data` starts at the first pixel and ends with the last one of the last row.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// The bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next; at least `row_bytes`.
    pub stride: usize,
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl<'a> Plane<'a> {
    /// The rows, each exactly `row_bytes` long.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.data
            .chunks(self.stride.max(1))
            .map(move |row| &row[..self.row_bytes])
    }

    /// The whole plane as one slice if rows follow each other without gaps.
    pub fn packed(self) -> Option<&'a [u8]> {
        (self.stride == self.row_bytes).then_some(self.data)
    }
}

/// One plane, writable; see [`Plane`].
pub struct PlaneMut<'a> {
    /// The bytes.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of picture in a row.
    pub row_bytes: usize,
    /// Number of rows.
    pub rows: usize,
}

impl PlaneMut<'_> {
    /// The rows, each exactly `row_bytes` long.
    pub fn rows_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u8]> {
        let row_bytes = self.row_bytes;
        self.data
            .chunks_mut(self.stride.max(1))
            .map(move |row| &mut row[..row_bytes])
    }

    /// Copies a plane of the same size.
    pub(crate) fn copy_from(&mut self, source: Plane<'_>) {
        if self.stride == source.stride && self.data.len() == source.data.len() {
            self.data.copy_from_slice(source.data);
            return;
        }
        for (to, from) in self.rows_mut().zip(source.rows()) {
            to.copy_from_slice(from);
        }
    }
}

/// Planes that live in somebody else's memory, kept alive by the implementor.
pub(crate) trait ForeignPlanes: Send + Sync {
    /// The bytes of a plane: at least `stride * (rows - 1) + row_bytes`.
    fn plane(&self, plane: usize) -> &[u8];
}

/// Bytes from the first to the last pixel of a plane.
pub(super) fn needed_bytes((row_bytes, rows): (usize, usize), stride: usize) -> usize {
    stride.saturating_mul(rows - 1).saturating_add(row_bytes)
}
