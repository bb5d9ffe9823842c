/**
 * How people write quantities in the config, parsed once: durations to ms, sizes to bytes, rates to `{ count, perMs }`,
 * percentages to a fraction, addresses to host and port. Pure; null means "not written that way".
 */
import { isIP } from 'node:net'

const DURATIONS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZES: Record<string, number> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 }
const PERIODS: Record<string, number> = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

const quantity = (text: string, units: Record<string, number>): number | null => {
  const match = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text.trim())
  const unit = match === null ? undefined : units[match[2] as string]
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit)
}

/** `200ms`, `30s`, `5m`, `2h`, `1d` → ms. A bare number has no unit and is refused, but 0. */
export const parseDurationMs = (text: string): number | null => (text.trim() === '0' ? 0 : quantity(text, DURATIONS))

/** `25MiB`, `50KiB`, `1GB`, or a plain number of bytes → bytes. */
export const parseSizeBytes = (text: string): number | null => (/^\d+$/.test(text.trim()) ? Number(text) : quantity(text, SIZES))

export type Rate = { count: number; perMs: number }

/** `100/min`, `5/s`, `1000/h` → count and period. */
export const parseRate = (text: string): Rate | null => {
  const match = /^(\d+) ?\/ ?(s|min|h|d)$/.exec(text.trim())
  const count = Number(match?.[1] ?? 0)
  return match === null || count === 0 ? null : { count, perMs: PERIODS[match[2] as string] as number }
}

/** `80%` → 0.8; between 0% and 100%. */
export const parsePercent = (text: string): number | null => {
  const match = /^(\d+(?:\.\d+)?) ?%$/.exec(text.trim())
  const value = Number(match?.[1] ?? Number.NaN) / 100
  return value >= 0 && value <= 1 ? value : null
}

export type Address = { host: string; port: number }

/** `127.0.0.1:25`, `[::1]:25`, `mail.example.org:25`, or `25` alone: all addresses, IPv4 and IPv6 (R-dual). */
export const parseAddress = (text: string): Address | null => {
  const match = /^(?:(?:\[([^\]]+)\]|([^\s:[\]]+)):)?(\d{1,5})$/.exec(text.trim())
  if (match === null) return null
  const port = Number(match[3])
  if (port > 65_535 || (match[1] !== undefined && isIP(match[1]) !== 6)) return null
  return { host: match[1] ?? match[2] ?? '::', port }
}

/** The inverse of `parseAddress`, for logs and for people. */
export const formatAddress = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
