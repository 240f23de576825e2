/** What a log of one JSON object a line says. A last line that was cut short is not read. */
export function parseJsonLines<Line>(text: string): Line[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line));
}
