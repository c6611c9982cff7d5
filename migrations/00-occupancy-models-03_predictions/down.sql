SELECT unreference_sensor_events('predictions', 'triggering_event_id');
DROP TABLE predictions;
