// Planted bugs of the layer 'events'.
import { findsAll } from './planted.ts';

findsAll('events');
