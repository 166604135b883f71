// Planted bugs of the layer 'deadlines'.
import { findsAll } from './planted.ts';

findsAll('deadlines');
