/** The clock of the schedules, as scenarios set it: a file that the services of a gateway read again and again. */
import { rename, writeFile } from 'node:fs/promises'

/** Sets it whole: no reader finds the file empty and takes that for no offset. @param offsetMs added to the true time */
export const writeClock = async (file: string, offsetMs: number): Promise<void> => {
  await writeFile(`${file}.new`, String(offsetMs))
  await rename(`${file}.new`, file)
}
