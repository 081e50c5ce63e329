-- What retention needs, and questions by place and time.

-- Positions by time, with their place: those elsewhere are passed over without a look at their rows.
DROP INDEX positions_by_time;
CREATE INDEX positions_by_time ON positions (time, packet, latitude_e7, longitude_e7);
