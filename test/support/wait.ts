// Waits for something that can only be polled.
export { eventually } from '../../local/eventually.ts';
