// Lines in the format of NestJS's console logger, which log collectors of Twenty CRM already parse.
const LEVELS = { LOG: 32, WARN: 33, ERROR: 31 } as const;
type Level = keyof typeof LEVELS;

const dateFormat = new Intl.DateTimeFormat("en-US", {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "numeric",
  minute: "2-digit",
  second: "2-digit",
});

export function formatLine(level: Level, context: string, message: string, colour: boolean, now = new Date()) {
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[39m` : text);
  // Newer ICU puts U+202F before AM/PM; Nest's lines hold a plain space.
  const time = dateFormat.format(now).replace(/\u202f/g, " ");
  const head = paint(LEVELS[level], `[Nest] ${process.pid}  - `);
  const body = paint(LEVELS[level], message);
  return `${head}${time} ${paint(LEVELS[level], level.padStart(7))} ${paint(33, `[${context}]`)} ${body}\n`;
}

function write(level: Level, context: string, message: string) {
  const out = level === "ERROR" ? process.stderr : process.stdout;
  out.write(formatLine(level, context, message, !process.env.NO_COLOR));
}

export const log = {
  info: (context: string, message: string) => write("LOG", context, message),
  warn: (context: string, message: string) => write("WARN", context, message),
  error: (context: string, message: string) => write("ERROR", context, message),
};

/** Failures of pg and ioredis may carry several causes and an empty message. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reason).join("; ");
  return error instanceof Error ? error.message || error.name : String(error);
}
