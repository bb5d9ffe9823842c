/** Reads one file out of a zip archive in memory: what setup needs, without a program that may not be there (APPNOTE.TXT, 4.3). */
const { inflateRawSync } = require('node:zlib')

const END = 0x06054b50
const ENTRY = 0x02014b50
const STORED = 0
const DEFLATED = 8

const endOf = (zip) => {
  for (let at = zip.length - 22; at >= 0; at--) if (zip.readUInt32LE(at) === END) return at
  throw new Error('expected a zip archive')
}

/**
 * @param {Buffer} zip
 * @param {string} name as it stands in the archive
 * @returns {Buffer}
 */
const readFromZip = (zip, name) => {
  const end = endOf(zip)
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    if (zip.readUInt32LE(at) !== ENTRY) throw new Error('the directory of the zip archive is broken')
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((offset) => zip.readUInt16LE(at + offset))
    if (zip.toString('utf8', at + 46, at + 46 + nameLength) === name) {
      const method = zip.readUInt16LE(at + 10)
      const local = zip.readUInt32LE(at + 42)
      const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
      const data = zip.subarray(start, start + zip.readUInt32LE(at + 20))
      if (method === STORED) return data
      if (method === DEFLATED) return inflateRawSync(data)
      throw new Error(`${name} is packed in a way that is not known here: ${method}`)
    }
    at += 46 + nameLength + extraLength + commentLength
  }
  throw new Error(`${name} is not in the zip archive`)
}

module.exports = { readFromZip }
