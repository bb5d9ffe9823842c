/** The themes, in the order in which a user would meet them. */
import type { Theme } from '../world.ts'
import { faults } from './faults.ts'
import { install } from './install.ts'

export const THEMES: Record<string, Theme> = { install, faults }
