/**
 * What we need of the XML that S3 answers: texts of elements whose names we know, none of which is ever nested in its like and none
 * of which has attributes that matter. What does not fit is read as not there, never as something else.
 */

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const decode = (text: string): string =>
  text.replaceAll(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? whole
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })

/** The inner XML of every element of this name, in order. */
export const elements = (xml: string, name: string): string[] =>
  [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g'))].map(([, inner]) => inner ?? '')

/** The text of the first element of this name; null: there is none. */
export const textOf = (xml: string, name: string): string | null => {
  const [inner] = elements(xml, name)
  return inner === undefined ? null : decode(inner)
}

/** The name of the outermost element; null: this is no XML. */
export const rootOf = (xml: string): string | null => /^\s*(?:<\?[^>]*\?>\s*)?<([A-Za-z][\w.-]*)/.exec(xml)?.[1] ?? null

export const escaped = (text: string): string => text.replaceAll(/[<>&"']/g, (sign) => `&#${String(sign.codePointAt(0))};`)
