import { describe, expect, it } from 'vitest'
import { formatAddress, parseAddress, parseDurationMs, parsePercent, parseRate, parseSizeBytes } from './units.ts'

describe('quantities', () => {
  it.each([
    ['200ms', 200],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5 h', 5_400_000],
    ['0', 0],
    ['5', null],
    ['-5s', null],
    ['5 weeks', null],
    ['', null],
  ])('the duration %s is %s ms', (text, ms) => expect(parseDurationMs(text)).toBe(ms))

  it.each([
    ['25MiB', 26_214_400],
    ['50KiB', 51_200],
    ['1GB', 1_000_000_000],
    ['2048', 2048],
    ['10B', 10],
    ['3XB', null],
    ['-1', null],
    ['1e3', null],
  ])('the size %s is %s bytes', (text, bytes) => expect(parseSizeBytes(text)).toBe(bytes))

  it.each([
    ['100/min', { count: 100, perMs: 60_000 }],
    ['5/s', { count: 5, perMs: 1000 }],
    ['1000 / h', { count: 1000, perMs: 3_600_000 }],
    ['0/s', null],
    ['100', null],
    ['5/fortnight', null],
  ])('the rate %s', (text, rate) => expect(parseRate(text)).toEqual(rate))

  it.each([
    ['80%', 0.8],
    ['12.5 %', 0.125],
    ['0%', 0],
    ['101%', null],
    ['80', null],
  ])('the percentage %s is %s', (text, value) => expect(parsePercent(text)).toBe(value))

  it.each([
    ['127.0.0.1:2525', { host: '127.0.0.1', port: 2525 }],
    ['[::]:25', { host: '::', port: 25 }],
    ['mail.example.org:587', { host: 'mail.example.org', port: 587 }],
    ['[2001:db8::1]:25', { host: '2001:db8::1', port: 25 }],
    ['127.0.0.1:65536', null],
    ['::1:25', null],
    ['[10.0.0.1]:25', null],
    ['host', null],
    [':25', null],
  ])('the address %s', (text, address) => expect(parseAddress(text)).toEqual(address))

  it('R-dual: a port alone means all addresses, IPv4 and IPv6', () =>
    expect(parseAddress('25')).toEqual({ host: '::', port: 25 }))

  it('an address survives being written and read', () => {
    for (const text of ['127.0.0.1:1', '[::1]:65535', 'a.b:25']) expect(formatAddress(parseAddress(text)!)).toBe(text)
  })
})
