//! A moving test picture that carries a number, and reading the number back after lossy coding.
//! Not a camera: nothing here waits or knows the time.

use crate::color::ColorInfo;
use crate::frame::{Frame, PixelFormat, Plane};
use crate::limits::{FrameError, check_size};
use crate::pool::FramePool;
use crate::timing::{TimeBase, Timing};

/// Blocks of one strip: 32 bits of counter, 16 of checksum, in two rows.
const COLUMNS: usize = 24;
const ROWS: usize = 2;

/// A strip is this part of the picture's height.
const STRIP_PART: usize = 8;

/// Luma of a 0 and of a 1, and what still counts as each after coding.
const BLACK: u8 = 16;
const WHITE: u8 = 235;
const BLACK_UP_TO: u32 = 100;
const WHITE_FROM: u32 = 150;

/// Blocks of fewer pixels a side do not survive coding, so smaller pictures carry no number.
const LEAST_BLOCK: usize = 2;

/// A picture that moves a little from frame to frame and carries a counter in black and white blocks, twice: along the
/// top and along the bottom edge. Survives VP8 and H.264 at 300 kbit/s from 320x240 up, scaling, and labels drawn over
/// one of the edges; [`read_pattern_counter`] reads it back. The counter is readable from 48x32 pixels up.
///
/// ```
/// use framewire_media::{FramePool, TestPattern, read_pattern_counter};
///
/// let pool = FramePool::default();
/// let mut pattern = TestPattern::new(320, 240, 30)?;
/// assert_eq!(read_pattern_counter(&pattern.frame(7, &pool)?), Some(7));
/// # Ok::<(), framewire_media::FrameError>(())
/// ```
pub struct TestPattern {
    width: u32,
    height: u32,
    fps: u32,
    background: [Vec<u8>; 3],
}

impl TestPattern {
    /// A pattern of this size; frame `n` is shown at `n / fps` seconds (`fps` 0 counts as 1). Fails for sizes no frame
    /// can have.
    pub fn new(width: u32, height: u32, fps: u32) -> Result<TestPattern, FrameError> {
        check_size(width, height)?;
        let (w, h) = (width as usize, height as usize);
        let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
        let slope = |x: usize, y: usize, w: usize, h: usize, low: usize, high: usize| {
            (low + (high - low) * (x * h + y * w) / (2 * w * h)) as u8
        };
        let luma = |i: usize| slope(i % w, i / w, w, h, 60, 180);
        let blue = |i: usize| slope(i % cw, i / cw, cw, ch, 100, 156);
        let red = |i: usize| slope(cw - 1 - i % cw, i / cw, cw, ch, 100, 156);
        Ok(TestPattern {
            width,
            height,
            fps: fps.max(1),
            background: [
                (0..w * h).map(luma).collect(),
                (0..cw * ch).map(blue).collect(),
                (0..cw * ch).map(red).collect(),
            ],
        })
    }

    /// The frame that carries `counter`, I420, with its timestamp in 90 kHz ticks. Costs one copy of the picture (0.01 ms
    /// at 640x480). Fails only when the pool has no room.
    pub fn frame(&mut self, counter: u32, pool: &FramePool) -> Result<Frame, FrameError> {
        let mut frame = Frame::uninit(pool, PixelFormat::I420, self.width, self.height)?;
        let [y, u, v] = frame.own_i420_mut();
        // Pool frames are packed, as the background is.
        y.data.copy_from_slice(&self.background[0]);
        u.data.copy_from_slice(&self.background[1]);
        v.data.copy_from_slice(&self.background[2]);
        self.draw_ball(counter, [y.data, u.data, v.data]);
        let (width, height) = (self.width as usize, self.height as usize);
        for strip in strips(width, height).into_iter().flatten() {
            draw_strip(y.data, width, strip, bits(counter));
        }
        frame.set_color(ColorInfo::VIDEO);
        let ticks = u64::from(counter) * 90_000 / u64::from(self.fps);
        let pts = i64::try_from(ticks).unwrap_or(i64::MAX);
        frame.set_timing(Timing::new(pts, TimeBase::RTP_VIDEO));
        Ok(frame)
    }

    /// A bright square that crosses the picture between the strips.
    fn draw_ball(&self, counter: u32, [y, u, v]: [&mut [u8]; 3]) {
        let (width, height) = (self.width as usize, self.height as usize);
        let side = (height / 8).min(width / 2) & !1;
        if side == 0 {
            return;
        }
        let step = (width / 160).max(1) * 2;
        let room = (width - side).max(1);
        let way = (counter as usize).wrapping_mul(step) % (2 * room);
        let left = if way < room { way } else { 2 * room - way } & !1;
        let top = (height / 2 - side / 2) & !1;
        let fill = |plane: &mut [u8], stride: usize, shift: usize, value: u8| {
            let (left, side) = (left >> shift, side >> shift);
            for row in plane.chunks_mut(stride).skip(top >> shift).take(side) {
                let end = (left + side).min(row.len());
                row[left.min(end)..end].fill(value);
            }
        };
        fill(y, width, 0, 210);
        fill(u, width.div_ceil(2), 1, 60);
        fill(v, width.div_ceil(2), 1, 190);
    }
}

/// The counter a [`TestPattern`] frame carries, from I420 or BGR; `None` when both copies of it are damaged or the
/// picture is none. 0.01 ms at 640x480.
pub fn read_pattern_counter(frame: &Frame) -> Option<u32> {
    let plane = frame.plane(0);
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    strips(width, height)?
        .into_iter()
        .find_map(|strip| read_strip(plane, frame.format(), strip))
}

/// Where a strip of blocks lies.
#[derive(Clone, Copy)]
struct Strip {
    top: usize,
    height: usize,
    width: usize,
}

impl Strip {
    /// Left, top, right and bottom of a block.
    fn block(self, index: usize) -> [usize; 4] {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        [
            column * self.width / COLUMNS,
            self.top + row * self.height / ROWS,
            (column + 1) * self.width / COLUMNS,
            self.top + (row + 1) * self.height / ROWS,
        ]
    }
}

fn strips(width: usize, height: usize) -> Option<[Strip; 2]> {
    let strip = height / STRIP_PART;
    let large = width / COLUMNS >= LEAST_BLOCK && strip / ROWS >= LEAST_BLOCK;
    large.then(|| {
        [0, height - strip].map(|top| Strip {
            top,
            height: strip,
            width,
        })
    })
}

fn draw_strip(luma: &mut [u8], stride: usize, strip: Strip, bits: u64) {
    for row in 0..ROWS {
        let [_, top, _, bottom] = strip.block(row * COLUMNS);
        for column in 0..COLUMNS {
            let index = row * COLUMNS + column;
            let [left, _, right, _] = strip.block(index);
            let value = if bits >> index & 1 == 1 { WHITE } else { BLACK };
            luma[top * stride + left..top * stride + right].fill(value);
        }
        // The other rows of a line of blocks are the same.
        for y in top + 1..bottom {
            luma.copy_within(top * stride..(top + 1) * stride, y * stride);
        }
    }
}

fn read_strip(plane: Plane<'_>, format: PixelFormat, strip: Strip) -> Option<u32> {
    let mut bits = 0;
    for index in 0..COLUMNS * ROWS {
        let mean = middle_brightness(plane, format, strip.block(index));
        if mean >= WHITE_FROM {
            bits |= 1 << index;
        } else if mean > BLACK_UP_TO {
            return None;
        }
    }
    let counter = bits as u32;
    (self::bits(counter) == bits).then_some(counter)
}

/// Mean brightness of the inner part of a block, where coding has not mixed it with its neighbours.
fn middle_brightness(plane: Plane<'_>, format: PixelFormat, block: [usize; 4]) -> u32 {
    let [left, top, right, bottom] = block;
    let (margin_x, margin_y) = ((right - left) / 4, (bottom - top) / 4);
    let (mut sum, mut count) = (0, 0);
    for y in top + margin_y..bottom - margin_y {
        let row = &plane.data[y * plane.stride..][..plane.row_bytes];
        for x in left + margin_x..right - margin_x {
            sum += match format {
                PixelFormat::I420 => u32::from(row[x]),
                PixelFormat::Bgr => {
                    let [b, g, r] = [0, 1, 2].map(|channel| u32::from(row[x * 3 + channel]));
                    (b + 2 * g + r) / 4
                }
            };
            count += 1;
        }
    }
    sum / count.max(1)
}

/// The counter with its checksum above it.
fn bits(counter: u32) -> u64 {
    u64::from(counter) | u64::from(checksum(counter)) << 32
}

/// CRC-16/CCITT, started with ones so that an all-black picture is not the number 0.
fn checksum(counter: u32) -> u16 {
    counter.to_be_bytes().iter().fold(0xffff, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Bgr, Canvas, Rect, RectStyle};

    const NUMBERS: [u32; 7] = [0, 1, 2, 299, 0xaaaa_5555, i32::MAX as u32, u32::MAX];

    #[test]
    fn every_counter_is_read_back_from_both_layouts_and_every_size() {
        let pool = FramePool::default();
        for (width, height) in [(48, 32), (320, 240), (641, 361), (640, 480), (1920, 1080)] {
            let mut pattern = TestPattern::new(width, height, 30).unwrap();
            for number in NUMBERS {
                let frame = pattern.frame(number, &pool).unwrap();
                let bgr = frame.to_bgr(&pool).unwrap();
                assert_eq!(read_pattern_counter(&frame), Some(number));
                assert_eq!(read_pattern_counter(&bgr), Some(number));
            }
        }
    }

    #[test]
    fn a_label_over_one_edge_leaves_the_other_readable_and_over_both_none() {
        let pool = FramePool::default();
        let mut pattern = TestPattern::new(640, 480, 30).unwrap();
        let mut frame = pattern.frame(1234, &pool).unwrap();
        let mut cover = |top: f32| {
            let rect = Rect::new(100.0, top, 200.0, 40.0);
            Canvas::on(&mut frame, &pool)
                .unwrap()
                .rect(rect, RectStyle::filled(Bgr::GREEN));
            read_pattern_counter(&frame)
        };
        assert_eq!(cover(200.0), Some(1234));
        assert_eq!(cover(0.0), Some(1234));
        assert_eq!(cover(430.0), None);
    }

    #[test]
    fn plain_pictures_and_tiny_ones_carry_no_number() {
        let pool = FramePool::default();
        for color in [Bgr::new(0, 0, 0), Bgr::new(255, 255, 255), Bgr::GREEN] {
            let plain = Frame::solid_bgr(&pool, 320, 240, color).unwrap();
            assert_eq!(read_pattern_counter(&plain), None);
        }
        for (width, height) in [(1, 1), (47, 480), (640, 31)] {
            let mut tiny = TestPattern::new(width, height, 0).unwrap();
            assert_eq!(read_pattern_counter(&tiny.frame(3, &pool).unwrap()), None);
        }
    }

    #[test]
    fn the_picture_moves_and_its_timestamps_count_frames() {
        let pool = FramePool::default();
        let mut pattern = TestPattern::new(320, 240, 25).unwrap();
        let middle = |frame: &Frame| frame.plane(0).rows().nth(120).unwrap().to_vec();
        let first = pattern.frame(0, &pool).unwrap();
        let second = pattern.frame(1, &pool).unwrap();
        assert_ne!(middle(&first), middle(&second));
        assert_eq!((first.pts(), second.pts()), (Some(0), Some(3600)));
    }
}
