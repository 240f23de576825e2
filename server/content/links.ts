/**
 * Rewrites a template's links, once per campaign, so that clicks and opens can be counted.
 *
 *     https link        {trackingBase}/c/{recipient token}/{link token}
 *     open pixel        {trackingBase}/o/{recipient token}.gif
 *     unsubscribe_url   {trackingBase}/u/{recipient token}     a merge field, see message.ts
 *
 * What depends on the recipient is left as a mark, a control character that the encoded body cannot contain otherwise:
 * the recipient token, and around a URL with Liquid in it, which can be signed only when it is rendered.
 * tracking.ts fills the marks. They are no Liquid, so they need no name that an author could use or shadow.
 *
 * Left as they are: other schemes, `#`, the unsubscribe link, `data-track="off"` (the attribute goes), links in
 * conditional comments, a URL whose Liquid block begins or ends outside of it, and in plain text one that begins with Liquid.
 */
import { type HtmlAttribute, type HtmlEdit, type HtmlPiece, readHtml, splice } from './html.ts';
import { escapeHtml } from './liquid-filters-text.ts';
import { balancedCount, findLiquid, type LiquidSpan, maskLiquid } from './opaque.ts';
import type { CampaignSigner } from './tokens.ts';

export interface Tracking {
  /** Where the tracking endpoints are, without a slash at the end: `https://mail.example.com`. Nothing to escape in it. */
  base: string;
  signer: CampaignSigner;
}

export const recipientMark = '\u0001';
export const urlStartMark = '\u0002';
export const urlEndMark = '\u0003';

const webUrl = /^https?:\/\/./i;

/** The same HTML with tracked links and an open pixel, in marks. */
export function trackHtml(html: string, tracking: Tracking): string {
  const edits: HtmlEdit[] = [];
  let bodyEnd = html.length;
  for (const token of readHtml(html)) {
    if (token.kind === 'end' && token.name === 'body') bodyEnd = token.start;
    if (token.kind === 'start' && (token.name === 'a' || token.name === 'area')) {
      edits.push(...trackElement(html, token.attributes, tracking));
    }
  }
  return splice(html, [...edits, { start: bodyEnd, end: bodyEnd, text: openPixel(tracking) }]);
}

function openPixel({ base }: Tracking): string {
  return `<img src="${base}/o/${recipientMark}.gif" width="1" height="1" alt="" style="display:block;border:0" />`;
}

function trackElement(html: string, attributes: Map<string, HtmlAttribute>, tracking: Tracking): HtmlEdit[] {
  const optOut = attributes.get('data-track');
  if (optOut && literal(optOut.pieces)?.toLowerCase() === 'off') {
    const { length } = html.slice(0, optOut.start).trimEnd();
    return [{ start: length, end: optOut.end, text: '' }];
  }
  const href = attributes.get('href');
  if (!href) return [];
  const url = trackHref(trimPieces(href.pieces), tracking);
  if (url === undefined) return [];
  const valueStart = html.indexOf('=', href.start) + 1;
  return [{ start: valueStart, end: href.end, text: `"${url}"` }];
}

/** The new value of an href, escaped; nothing when it stays as it is. */
function trackHref(pieces: readonly HtmlPiece[], tracking: Tracking): string | undefined {
  const fixed = literal(pieces);
  if (fixed !== undefined) return webUrl.test(fixed) ? clickUrl(fixed, tracking) : undefined;
  const [first] = pieces;
  const spans = pieces.filter((piece) => typeof piece !== 'string');
  const mayBeWebUrl = typeof first === 'string' ? webUrl.test(first) : !isUnsubscribeLink(pieces);
  if (!mayBeWebUrl || balancedCount(spans) < spans.length) return undefined;
  const source = pieces
    .map((piece) => (typeof piece === 'string' ? escapeHtml(piece) : piece.source))
    .join('');
  return urlStartMark + source + urlEndMark;
}

function clickUrl(url: string, { base, signer }: Tracking): string {
  return `${base}/c/${recipientMark}/${signer.link(url)}`;
}

/** The text when there is no Liquid in it. */
function literal(pieces: readonly HtmlPiece[]): string | undefined {
  if (pieces.length === 0) return '';
  const [first] = pieces;
  return pieces.length === 1 && typeof first === 'string' ? first : undefined;
}

function trimPieces(pieces: readonly HtmlPiece[]): HtmlPiece[] {
  const trimmed = pieces.map((piece, index) => {
    if (typeof piece !== 'string') return piece;
    const text = index === 0 ? piece.trimStart() : piece;
    return index === pieces.length - 1 ? text.trimEnd() : text;
  });
  return trimmed.filter((piece) => piece !== '');
}

function isUnsubscribeLink(pieces: readonly HtmlPiece[]): boolean {
  const [first] = pieces;
  return (
    pieces.length === 1 &&
    typeof first === 'object' &&
    /^\{\{-?\s*unsubscribe_url\s*-?\}\}$/.test(first.source)
  );
}

const urlInText = /https?:\/\/[^\s<>"`]+/gi;

/** The same plain text with tracked links, in marks. */
export function trackText(text: string, tracking: Tracking): string {
  const spans = findLiquid(text);
  const masked = maskLiquid(text, spans);
  const edits: HtmlEdit[] = [];
  let position = 0;
  for (;;) {
    urlInText.lastIndex = position;
    const match = urlInText.exec(masked);
    if (!match) return splice(text, edits);
    const start = match.index;
    const inside = spans.filter((span) => span.start >= start && span.start < start + match[0].length);
    const end = start + urlLength(match[0], inside, start);
    const url = text.slice(start, end);
    const tracked = inside.some((span) => span.end <= end)
      ? urlStartMark + url + urlEndMark
      : clickUrl(url, tracking);
    if (webUrl.test(url)) edits.push({ start, end, text: tracked });
    position = end;
  }
}

/** Without the punctuation of the sentence around it, and without a Liquid block that goes on behind it. */
function urlLength(masked: string, spans: readonly LiquidSpan[], start: number): number {
  const cut = spans[balancedCount(spans)];
  const url = cut ? masked.slice(0, cut.start - start) : masked;
  const hasParenthesis = url.includes('(');
  return url.replace(hasParenthesis ? /[.,;:!?'\]]+$/ : /[.,;:!?'\])]+$/, '').length;
}
