/** The whole file cannot be imported; the message is one sentence or two: what, where, what to do. */
export class ImportRefused extends Error {
  override readonly name: string = 'ImportRefused';
}

/** Somebody else imports the same file just now, or one that begins like it: this one can be imported when that has ended. */
export class ImportUnderWay extends ImportRefused {
  override readonly name = 'ImportUnderWay';
}

/** The file is another than the one whose import it was to go on with. */
export class OtherFile extends ImportRefused {
  override readonly name = 'OtherFile';
}
