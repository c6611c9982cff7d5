DROP TABLE sensor_events;
