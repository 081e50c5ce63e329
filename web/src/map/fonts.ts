/**
 * Without a `glyphs` address in the style, MapLibre draws text with the fonts of the reader's system. It reads the
 * weight out of the first name; the families after it are the ones that exist.
 */
export const LABEL_FONT = ['Geocast Medium', 'system-ui', 'sans-serif'];
export const NAME_FONT = ['Geocast Regular', 'system-ui', 'sans-serif'];
export const STRONG_FONT = ['Geocast Bold', 'system-ui', 'sans-serif'];
