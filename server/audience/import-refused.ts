/** The whole file cannot be imported; the message is one sentence or two: what, where, what to do. */
export class ImportRefused extends Error {
  override readonly name = 'ImportRefused';
}
