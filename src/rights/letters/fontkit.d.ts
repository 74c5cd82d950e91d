/** What we use of fontkit 2, which brings no types. pdfkit takes an opened font where its types ask for the bytes of one. */
declare module 'fontkit' {
  export interface Font extends Uint8Array {
    hasGlyphForCodePoint(codePoint: number): boolean;
  }
  export function create(file: Uint8Array): Font;
}
