/**
 * Fills the marks that links.ts left in a body, per recipient.
 *
 * It works on the encoded body: there a mark is a byte that quoted-printable text cannot contain, so no value of a
 * contact can be taken for one, whatever it holds.
 */
import { decodeBody, encodeBodyPiece } from './encodings.ts';
import { unescapeHtml } from './html.ts';
import { recipientMark, type Tracking, urlEndMark, urlStartMark } from './links.ts';

const marks = new RegExp(`([${recipientMark}${urlStartMark}${urlEndMark}])`);
const markedUrl = new RegExp(`${urlStartMark}([^${urlEndMark}]*)${urlEndMark}`, 'g');

/** Encodes the fixed text of a template and keeps the marks in it. */
export function encodeMarkedPiece(text: string): string {
  return text
    .split(marks)
    .map((piece) => (marks.test(piece) ? piece : encodeBodyPiece(piece)))
    .join('');
}

/** A function that fills the marks of one recipient's encoded bodies. */
export function createMarkFiller(
  tracking: Tracking,
): (body: string, token: string, kind: 'html' | 'text') => string {
  const unsubscribeBase = `${tracking.base}/u/`;
  return (body, token, kind) => {
    const withUrls = body.includes(urlStartMark)
      ? body.replaceAll(markedUrl, (_, encoded: string) => clickUrl(encoded, kind))
      : body;
    return withUrls.replaceAll(recipientMark, encodeBodyPiece(token));
  };

  /** What the URL became for this recipient decides: only now can it be seen to be a web address, and signed. */
  function clickUrl(encoded: string, kind: 'html' | 'text'): string {
    const rendered = decodeBody(encoded).trim();
    const url = kind === 'html' ? unescapeHtml(rendered) : rendered;
    if (!/^https?:\/\//i.test(url) || url.startsWith(unsubscribeBase)) return encoded;
    return encodeMarkedPiece(`${tracking.base}/c/${recipientMark}/${tracking.signer.link(url)}`);
  }
}
